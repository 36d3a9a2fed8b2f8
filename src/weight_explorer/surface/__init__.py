"""What an explorer offers, by what it is for. `explorer.py` puts it together."""
