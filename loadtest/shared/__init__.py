"""What several commands use: pictures to upload, whether answers are right, and what processes cost."""
