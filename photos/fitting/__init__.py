"""Any product photo in, the same kind of photo out.

`fit` makes a photo acceptable to the removal API; `restore` puts what comes back into the source. A photo the API
takes as it is is sent byte for byte, and its artifact is what the API gave. Of every other photo only those pixels
change that the API changed: the artifact has the source's size, orientation, format, colour profile and transparency.

What the source tells beside its picture is kept (`photos/metadata/`), bits and palette are where nothing is painted.

Exceptions: of animations and documents of several pages the first picture is cleaned, and is all the artifact holds;
a GIF is painted with the colours it has, and a palette without room for new ones becomes RGB; colours of 16 bits a
channel become 8 in an AVIF, in what has over 20 megapixels, and in rare layouts; a TIFF that its tags turn is stored
upright; and what Pillow cannot write as its source was, such as rare TIFFs, becomes a PNG. All but the first are told
(`Restored.losses`).

Memory: fitting or restoring one photo takes less than 800 MiB beside its files, whatever the photo. Measured at the
peak, the larger of both: a JPEG of 12 megapixels 206 MiB, of 24 180, of 50 229, of 120 510; a PNG with transparency of
50 338; a TIFF of 60 599; a WebP of 40 722. What is larger is refused. Photos over 12 megapixels are worked on one
after the other in a process, smaller ones as many at once as there are cores (at least two).
"""

from photos.fitting.fitted import Fitted, as_it_is, fit, is_acceptable
from photos.fitting.painted import Restored, foreseen_losses
from photos.fitting.plan import Box, Plan
from photos.fitting.restored import restore
from removal.bounds import Bounds

__all__ = [
    "Bounds",
    "Box",
    "Fitted",
    "Plan",
    "Restored",
    "as_it_is",
    "fit",
    "foreseen_losses",
    "is_acceptable",
    "restore",
]
