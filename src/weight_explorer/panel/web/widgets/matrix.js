// The canvas of the matrix as a widget of its own.

export default { render };
