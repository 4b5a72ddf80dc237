"""What is to be trained: members and their identity, the cells of an experiment, the code that makes rows."""
