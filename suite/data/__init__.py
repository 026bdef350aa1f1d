"""The images: scenes that know no resolution, handwritten digits, and folders of pictures."""
