"""The containers of docker-compose.yml, as a user starts them."""
