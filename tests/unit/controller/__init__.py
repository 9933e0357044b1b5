"""The controller: tables, services and API, each on SQLite and on PostgreSQL."""
