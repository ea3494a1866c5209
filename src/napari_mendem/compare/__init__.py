"""What the Compare dock shows and computes, without Qt: geometry, view modes, numbers."""
