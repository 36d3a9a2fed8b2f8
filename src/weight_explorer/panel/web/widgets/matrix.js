// The matrix, and the heat table, as widgets.

import { renderMatrix } from "../matrix/canvas.js";

export default { render: renderMatrix };
