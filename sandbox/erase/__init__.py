"""Erasing for real: finds overlays with RapidOCR and repairs the photo with OpenCV."""
