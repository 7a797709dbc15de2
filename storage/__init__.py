"""What is kept, and the only place with SQL: one module per aggregate, tables in `schema`."""
