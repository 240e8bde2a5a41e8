"""What the bot can do, one feature in each module; `register(application)` adds its handlers."""
