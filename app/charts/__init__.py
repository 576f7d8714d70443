"""Charts and files: frame in, figure or text out; no Streamlit."""
