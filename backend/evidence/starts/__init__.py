"""When footage began: what its file says, what a time code proves, and what people correct."""
