"""What is asked: tasks as frozen values, where their rows come from, and the rows checked and ready."""
