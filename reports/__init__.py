"""What is shown: records become frames, frames become figures, tables and pages. Never torch, never a design."""
