"""The program that is an agent's process. It imports the floor and light modules only."""
