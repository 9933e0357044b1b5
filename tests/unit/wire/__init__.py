"""The wire contract: golden bytes, schema, laws."""
