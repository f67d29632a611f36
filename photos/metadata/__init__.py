"""What a photo tells beside its picture: Exif with GPS, XMP, IPTC, texts, resolution, read and written as bytes.

A file is walked, never decoded: each part is taken whole, and no more of all together than `MOST_BYTES`. What would
show the photo as it was before is left out: thumbnails in Exif, XMP and Photoshop's resources, second pictures,
previews, layers, and signatures of the old bytes. The colour profile is no matter of this room; what else says how
colours are meant is never taken off.
"""

from photos.metadata.metadata import bare, read, read_parts, rewritten, written
from photos.metadata.told import MOST_BYTES, Told

__all__ = ["MOST_BYTES", "Told", "bare", "read", "read_parts", "rewritten", "written"]
