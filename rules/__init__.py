"""The segment language: schema, parsing, compiling, evaluation, explanation. Pure: time is an argument."""
