"""Draws the scenes of `legrad evaluate shapes` once more, from their description alone.

usage: draw.py > scenes.json        draw.py --png FOLDER

For a few seeds and counts of objects it prints the target's class, the number of its pixels, the sum of all bytes and
SHA-256 of the picture and of the mask. Python's float is IEEE 754 double, as the package's; needs nothing but Python
(Pillow for --png).
"""
import hashlib
import json
import math
import sys

SIDE, CELLS, MASK64 = 96, 12, (1 << 64) - 1
SHAPES = ["circle", "square", "triangle", "star", "ring", "cross", "diamond", "crescent"]
COLOURS = {
    "red": (220, 40, 40), "green": (40, 170, 60), "blue": (50, 80, 220), "yellow": (240, 210, 40),
    "orange": (245, 130, 30), "purple": (140, 60, 180), "white": (245, 245, 245), "black": (20, 20, 20),
}
NAMES = [f"{colour} {shape}" for colour in COLOURS for shape in SHAPES]
TIPS = [
    (0.0, -1.0), (0.9510565162951535, -0.30901699437494745), (0.5877852522924731, 0.8090169943749475),
    (-0.5877852522924731, 0.8090169943749475), (-0.9510565162951535, -0.30901699437494745),
]


class Random:
    """SplitMix64."""

    def __init__(self, seed):
        self.state = seed & MASK64

    def uniform(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK64
        z = self.state
        z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & MASK64
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK64
        return ((z ^ z >> 31) >> 11) * 2.0**-53

    def below(self, count):
        return int(self.uniform() * count)


def length(x, y):
    return math.sqrt(x * x + y * y)


def distance(shape, x, y, r):
    if shape == "circle":
        return length(x, y) - r
    if shape == "square":
        return max(abs(x), abs(y)) - 0.86 * r
    if shape == "triangle":
        return max(y - 0.6 * r, 0.866 * abs(x) - 0.5 * y - 0.55 * r)
    if shape == "star":
        along, beside = max((x * ax + y * ay, abs(x * ay - y * ax)) for ax, ay in TIPS)
        return along * 1.15 + beside * 1.1 - 0.98 * r
    if shape == "ring":
        return abs(length(x, y) - 0.78 * r) - 0.24 * r
    if shape == "cross":
        return min(max(abs(x) - 0.3 * r, abs(y) - r), max(abs(y) - 0.3 * r, abs(x) - r))
    if shape == "diamond":
        return (abs(x) * 1.25 + abs(y) - 1.08 * r) * 0.7
    return max(length(x, y) - r, 0.85 * r - length(x - 0.55 * r, y))


def taps(position):
    first = math.floor(position)
    result = []
    for offset in range(-1, 3):
        d, a = abs(position - first - offset), -0.75
        weight = ((a + 2) * d - (a + 3)) * d * d + 1 if d <= 1 else ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
        result.append((min(max(first + offset, 0), CELLS - 1), weight))
    return result


def soft_noise(random):
    heights = [(random.uniform() + random.uniform() + random.uniform()) / 3 - 0.5 for _ in range(CELLS * CELLS)]
    axis = [taps((i + 0.5) * CELLS / SIDE - 0.5) for i in range(SIDE)]
    narrow = [[sum(w * heights[row * CELLS + cell] for cell, w in taps) for taps in axis] for row in range(CELLS)]
    return [[sum(w * narrow[cell][column] for cell, w in taps) for column in range(SIDE)] for taps in axis]


def draw(seed, count):
    random = Random(seed)
    quarters = [0, 1, 2, 3]
    for last in (3, 2, 1):
        other = random.below(last + 1)
        quarters[last], quarters[other] = quarters[other], quarters[last]
    target = random.below(len(NAMES))
    objects = []
    for number in range(count):
        kind = target
        while number < count - 1 and kind == target:
            kind = random.below(len(NAMES))
        radius = 9 + random.uniform() * 12
        slack = max(2, SIDE / 4 - radius * 0.75)
        half = (random.uniform() - 0.5) * 0.354
        square = half * half
        x = quarters[number] % 2 * (SIDE / 2) + SIDE / 4 + (random.uniform() * 2 - 1) * slack
        y = quarters[number] // 2 * (SIDE / 2) + SIDE / 4 + (random.uniform() * 2 - 1) * slack
        colour, shape = NAMES[kind].split()
        tint = [byte / 255 + (random.uniform() - 0.5) * 0.12 for byte in COLOURS[colour]]
        objects.append((shape, x, y, radius, (1 - square) / (1 + square), 2 * half / (1 + square), tint))

    grey = random.uniform() * 0.5 + 0.25
    base = [grey + (random.uniform() - 0.5) * 0.16 for _ in range(3)]
    slope = (random.uniform() - 0.5) * 0.5
    while True:
        right, down = random.uniform() * 2 - 1, random.uniform() * 2 - 1
        square = right * right + down * down
        if 0.01 < square <= 1:
            right, down = right / math.sqrt(square), down / math.sqrt(square)
            break
    blotches = soft_noise(random)
    strength, grain = random.uniform() * 0.3, random.uniform() * 0.12
    canvas, mask = [], []
    for row in range(SIDE):
        for column in range(SIDE):
            ramp = ((column + 0.5 - SIDE / 2) * right + (row + 0.5 - SIDE / 2) * down) / SIDE
            shared = ramp * slope + blotches[row][column] * strength
            canvas.append([base[channel] + shared + (random.uniform() - 0.5) * grain for channel in range(3)])
    for number, (shape, x, y, radius, cosine, sine, tint) in enumerate(objects):
        for pixel in range(SIDE * SIDE):
            dx, dy = pixel % SIDE + 0.5 - x, pixel // SIDE + 0.5 - y
            d = distance(shape, dx * cosine + dy * sine, dy * cosine - dx * sine, radius)
            coverage = min(max(0.5 - d, 0), 1)
            if coverage > 0:
                canvas[pixel] = [old * (1 - coverage) + new * coverage for old, new in zip(canvas[pixel], tint)]
            if number == count - 1:
                mask.append(int(coverage > 0.5))
    levels = bytes(math.floor(min(max(value, 0), 1) * 255 + 0.5) for pixel in canvas for value in pixel)
    return NAMES[target], levels, bytes(mask)


def main():
    if len(sys.argv) > 2:
        from PIL import Image

        for seed in range(12):
            name, levels, mask = draw(seed, seed % 4 + 1)
            Image.frombytes("RGB", (SIDE, SIDE), levels).save(f"{sys.argv[2]}/{seed}-{name.replace(' ', '-')}.png")
        return
    rows = []
    for seed, count in [(0, 4), (1, 1), (2, 2), (3, 3), (12345678901234567890, 4)]:
        name, levels, mask = draw(seed, count)
        rows.append(dict(
            seed=seed, objects=count, target=name, targetPixels=sum(mask), sum=sum(levels),
            image=hashlib.sha256(levels).hexdigest(), mask=hashlib.sha256(mask).hexdigest()))
    print("[\n" + ",\n".join(" " + json.dumps(row) for row in rows) + "\n]")


if __name__ == "__main__":
    main()
