"""TFLite files read without trusting them, and without LiteRT."""
