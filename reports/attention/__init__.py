"""Pictures of attention: from where places of an image take what they become, as a page to point at and as PNGs."""
