"""File formats that predictions are saved in: each opens a path and lists the arrays it holds, without loading them."""
