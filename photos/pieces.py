"""Connected pieces of what changed, tile by tile, without any library for arrays."""

from PIL import Image

Place = tuple[int, int, int, int]


def largest_piece(changed: Image.Image) -> tuple[float, Place]:
    """Return the share that the largest connected piece has of all tiles, and its left, top, width and height.

    Args:
        changed: A tile is a pixel, 0 or not; mode `L`.
    """
    width, height = changed.size
    # A frame, so that no neighbour has to be looked for at an edge.
    wide = width + 2
    left = bytearray(wide * (height + 2))
    data = changed.tobytes()
    for row in range(height):
        left[(row + 1) * wide + 1 : (row + 1) * wide + 1 + width] = data[row * width : (row + 1) * width]
    best: list[int] = []
    steps = (1, -1, wide, -wide, wide + 1, wide - 1, 1 - wide, -wide - 1)
    for start, is_changed in enumerate(left):
        if not is_changed or not left[start]:
            continue
        left[start] = 0
        piece, at = [start], 0
        while at < len(piece):
            for step in steps:
                if left[piece[at] + step]:
                    left[piece[at] + step] = 0
                    piece.append(piece[at] + step)
            at += 1
        best = max(best, piece, key=len)
    if not best:
        return 0.0, (0, 0, 0, 0)
    rows, columns = [each // wide - 1 for each in best], [each % wide - 1 for each in best]
    place = (min(columns), min(rows), max(columns) - min(columns) + 1, max(rows) - min(rows) + 1)
    return len(best) / (width * height), place
