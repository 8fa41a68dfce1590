"""What is concluded from scores: pure functions of arrays, without torch."""
