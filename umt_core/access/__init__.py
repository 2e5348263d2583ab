"""Who may do what: users and their roles, passwords, signing in, and whether the app may be open to all."""
