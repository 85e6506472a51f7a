"""Items made from a JSON Schema 2020-12 and the constants of the functions that read them."""
