"""The database schema, step by step: each version runs one SQL script through Piccolo's migrations."""
