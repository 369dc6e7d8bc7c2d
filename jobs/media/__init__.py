"""Photos and pictures as bytes: `images` checks and re-encodes them (pure), `storage` keeps them."""
