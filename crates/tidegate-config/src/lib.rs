//! YAML in, a validated configuration or diagnostics out.
