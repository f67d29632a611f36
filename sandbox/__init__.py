"""A stand-in for the paid removal API: real HTTP, a real quota, faults on request, and real erasing.

It imports nothing of the other packages here, so that it cannot share a mistake with the client it is there to test.
"""
