"""Questions of strangers to fifteen businesses, asked through gRPC: how good the answers are, and the search."""
