"""Styles of the procedural band: tempi, grooves, lines and the instruments that fit.

A groove is one bar on a grid, a string per drum: X accent, x hit, o ghost note, O open (hats),
"." rest. The grid has `steps` steps per beat (4: sixteenths, 3: triplets).
"""

from dataclasses import dataclass

Groove = dict[str, str]


@dataclass(frozen=True)
class Style:
    """What a style allows; a song draws from it. Tempi in beats per minute, times in ms."""

    name: str
    tempo: tuple[float, float]
    grooves: tuple[Groove, ...]
    kits: tuple[str, ...]
    basses: tuple[str, ...]
    lines: tuple[str, ...]
    layers: tuple[str, ...]  # "instrument:part" of the other stem
    voices: tuple[str, ...]
    beats: int = 4
    steps: int = 4
    swing: tuple[float, float] = (0.0, 0.0)  # share of a step by which off-steps come late
    jitter: tuple[float, float] = (3.0, 9.0)  # ms, standard deviation of human timing
    ghosts: float = 0.2  # chance of a ghost note on the snare per free off-step
    sevenths: float = 0.2  # chance that a chord has its seventh
    drive: float = 0.2  # chance that guitars or bass are distorted
    duck: float = 0.0  # chance that the kick ducks bass and other


def _g(kick: str, snare: str, hat: str, **more: str) -> Groove:
    return {"kick": kick, "snare": snare, "hat": hat, **more}


ROCK = (
    _g("X.....x.X.......", "....X.......X...", "X.x.X.x.X.x.X.x."),
    _g("X.......X.x.....", "....X.......X...", "X.x.X.x.X.x.X.O."),
    _g("X.x...x...x.....", "....X.......X...", "X...X...X...X..."),
    _g("X..x..x.X..x..x.", "....X..o.o..X...", "XoxoXoxoXoxoXoxo"),
    _g("X.......x.......", "........X.......", "X...x...X...x..."),
)
HOUSE = (
    _g("X...X...X...X...", "....X.......X...", "..O...O...O...O."),
    _g("X...X...X...X...", "................", "xxOxxxOxxxOxxxOx", clap="....X.......X..."),
    _g("X...X...X...X...", "............x..o", "o.X.o.X.o.X.oxX.", rim="x..x..x...x..x.."),
    _g("X..X..X...X.X...", "....X.......X...", "x.x.x.x.x.x.x.x.", shaker="xoxoxoxoxoxoxoxo"),
)
HIPHOP = (
    _g("X......x..x.....", "....X.......X...", "X.x.X.x.X.x.X.x."),
    _g("X..x.....xx....x", "....X..o.o..X...", "x.x.x.xox.x.x.O."),
    _g("X.....x....x..x.", "....X.......X...", "X...x.x.X...x.x.", rim="..........x....."),
)
TRAP = (
    _g("X.....x...x.....", "........X.......", "x.x.x.xxx.x.xxxx"),
    _g("X..x......x..x..", "........X.......", "xxxxx.x.xxx.x.xx", clap="........X......."),
    _g("X.......x.x..x..", "........X......x", "x.xxx.x.x.xxx.x.", cowbell="...x..x......x.."),
)
BREAK = (
    _g("X.x.......xx....", "....X..o.o..X..o", "X.x.X.x.X.x.X.x."),
    _g("X.........x.....", "....X.......X...", "x.x.x.x.x.x.x.x.", ride="x.x.x.x.x.x.x.x."),
    _g("X..x......X.....", "....X..o.X.oo.X.", "XoxoXoxoXoxoXoxo"),
)
FUNK = (
    _g("X.x....x..x..x..", "....X..o.o..X..o", "XxxxXxxxXxxxXxOx"),
    _g("X..x..x...x.....", "....X.oo....X..o", "X.x.XxxOx.x.X.x."),
    _g("X.....X..x......", "....X..o.ooxX...", "x.xxx.xxx.xxx.xx", cowbell="X...X...X...X..."),
)
METAL = (
    _g("xxxxxxxxxxxxxxxx", "....X.......X...", "X...X...X...X..."),
    _g("X.xxX.xxX.xxX.xx", "....X.......X...", "X.X.X.X.X.X.X.X."),
    _g("X.X.X.X.X.X.X.X.", ".X.X.X.X.X.X.X.X", "X.X.X.X.X.X.X.X."),
    _g("X.....xxX...xx..", "........X.......", "................", crash="X...X...X...X..."),
)
PUNK = (
    _g("X...X...X...X...", "..X...X...X...X.", "X.X.X.X.X.X.X.X."),
    _g("X.....x.X.x.....", "....X.......X...", "X...X...X...X...", crash="X.......X......."),
    _g("X..xX..xX..xX...", "..X...X...X...X.", "X...X...X...X..."),
)
REGGAE = (
    _g("........X.......", "........X.......", "x.xox.xox.xox.O."),
    _g("X.......X.......", "................", "..x...x...x...x.", rim="....x..x....x..."),
    _g("X...X...X...X...", "........X.....o.", "x.x.x.x.x.x.x.x."),
)
COUNTRY = (
    _g("X.......X.......", "....X.......X...", "X.x.X.x.X.x.X.x."),
    _g("X...x...X...x...", "oxoxXxoxoxoxXxox", "................"),
    _g("X.....x.X.......", "................", "X.x.X.x.X.x.X.x.", rim="....X.......X..."),
)
LATIN = (
    _g("X..x..x.X..x..x.", "................", "x.x.x.x.x.x.x.x.", rim="X..x...x..x.x..."),
    _g("X..xX..xX..xX..x", "..............oo", "xoxoxoxoxoxoxoxo", conga="x..xx.x.x..xx.xx"),
    _g("X...X...X...X...", "...X..X....X..X.", "x.x.x.x.x.x.x.x.", conga=".x..x.xx.x..x.xx"),
)
SHUFFLE = (
    _g("X.....X.....", "...X.....X..", "X.xX.xX.xX.x"),
    _g("X..x.x...x.x", "...X.....X..", "X.xX.xX.xX.x"),
    _g("X.....x.x...", "......X.....", "XxxXxxXxxXxx"),
    _g("x..x..x..x..", "...o.....o.o", "...x.....x..", ride="X..X.xX..X.x"),
)
WALTZ = (
    _g("X...........", "....x...x...", "x.x.x.x.x.x."),
    _g("X.....x.....", "......X.....", "x.x.x.x.x.x."),
    _g("X.x.........", "....o...o...", "............", ride="X...x.x.x..."),
)

_BAND_BASS = ("finger", "pick", "finger", "fretless")
_SYNTH_BASS = ("saw", "square", "sub", "saw")

STYLES: tuple[Style, ...] = (
    Style("rock", (96, 152), ROCK, ("acoustic", "roomy"), ("finger", "pick"),
          ("roots8", "roots8", "pattern", "fifths"),
          ("electric:strum", "electric:power", "organ:pad", "piano:comp", "electric:riff"),
          ("lead", "belt"), drive=0.7),
    Style("punk", (156, 208), PUNK, ("acoustic", "tight"), ("pick",), ("roots8",),
          ("electric:power", "electric:power", "electric:riff"), ("belt", "rap"),
          jitter=(5.0, 11.0), ghosts=0.05, sevenths=0.0, drive=0.95),
    Style("metal", (110, 190), METAL, ("tight", "clicky"), ("pick",),
          ("gallop", "roots8", "unison"),
          ("electric:power", "electric:riff", "electric:power", "strings:pad"), ("belt", "lead"),
          jitter=(1.0, 5.0), ghosts=0.0, sevenths=0.0, drive=1.0),
    Style("pop", (88, 128), ROCK + HOUSE, ("acoustic", "electronic", "hybrid"),
          ("finger", "saw", "sub", "pick"), ("roots8", "pattern", "fifths", "long"),
          ("piano:comp", "acoustic:strum", "synth:pad", "synth:arp", "electric:strum", "bell:arp"),
          ("lead", "soft", "belt"), duck=0.3),
    Style("ballad", (58, 84), ROCK, ("acoustic", "roomy", "brushes"), _BAND_BASS,
          ("long", "fifths", "pattern"),
          ("piano:comp", "strings:pad", "acoustic:pick", "epiano:comp", "synth:pad"),
          ("soft", "lead"), sevenths=0.4, drive=0.1),
    Style("funk", (92, 122), FUNK, ("tight", "acoustic"), ("slap", "finger"), ("funk", "octaves"),
          ("electric:scratch", "organ:stab", "brass:stab", "epiano:comp"), ("lead", "belt"),
          swing=(0.0, 0.25), ghosts=0.5, sevenths=0.7, drive=0.05),
    Style("soul", (70, 108), FUNK + ROCK, ("acoustic", "roomy"), ("finger",), ("pattern", "funk"),
          ("epiano:comp", "organ:pad", "brass:stab", "strings:pad", "electric:scratch"),
          ("lead", "belt", "soft"), swing=(0.0, 0.3), ghosts=0.4, sevenths=0.7, drive=0.0),
    Style("disco", (108, 128), HOUSE, ("tight", "acoustic", "hybrid"), ("finger", "saw"),
          ("octaves", "funk"), ("electric:scratch", "strings:pad", "piano:comp", "brass:stab"),
          ("lead", "belt"), sevenths=0.5, jitter=(1.0, 6.0), duck=0.2),
    Style("house", (118, 130), HOUSE, ("electronic", "nine"), _SYNTH_BASS,
          ("offbeat", "pattern", "octaves", "roots8"),
          ("synth:pad", "synth:stab", "piano:stab", "synth:arp", "organ:stab"),
          ("lead", "soft", "rap"), jitter=(0.0, 1.5), ghosts=0.1, sevenths=0.5, duck=0.7),
    Style("techno", (124, 145), HOUSE, ("nine", "noisy", "electronic"), _SYNTH_BASS,
          ("roots16", "offbeat", "pattern"), ("synth:arp", "synth:stab", "synth:pad", "bell:riff"),
          ("soft", "rap"), jitter=(0.0, 0.5), ghosts=0.0, sevenths=0.1, duck=0.8),
    Style("synthwave", (84, 118), ROCK + HOUSE, ("electronic", "nine", "gated"), ("saw", "square"),
          ("roots16", "roots8", "octaves"), ("synth:pad", "synth:arp", "synth:riff", "bell:arp"),
          ("lead", "soft"), jitter=(0.0, 1.0), ghosts=0.0, duck=0.4),
    Style("hiphop", (76, 100), HIPHOP, ("dusty", "hybrid", "acoustic"),
          ("sub", "finger", "upright"), ("pattern", "long"),
          ("epiano:comp", "piano:riff", "strings:stab", "bell:arp", "organ:pad"),
          ("rap", "rap", "lead"), swing=(0.05, 0.5), sevenths=0.6, drive=0.1),
    Style("trap", (65, 80), TRAP, ("eight", "electronic"), ("eight", "sub"), ("unison", "long"),
          ("bell:arp", "synth:riff", "strings:pad", "piano:arp"), ("rap", "lead"),
          jitter=(0.0, 0.5), ghosts=0.0),
    Style("breakbeat", (120, 176), BREAK, ("dusty", "tight", "hybrid"), ("sub", "saw", "square"),
          ("long", "pattern", "offbeat"),
          ("synth:pad", "synth:stab", "epiano:comp", "strings:pad"),
          ("lead", "soft", "rap"), jitter=(0.0, 4.0), ghosts=0.3, sevenths=0.4, duck=0.2),
    Style("reggae", (66, 88), REGGAE, ("tight", "acoustic"), ("finger", "sub"),
          ("reggae", "pattern"),
          ("electric:skank", "organ:skank", "piano:skank"), ("lead", "soft"),
          swing=(0.0, 0.4), sevenths=0.2, drive=0.0),
    Style("country", (84, 132), COUNTRY, ("acoustic", "brushes", "tight"), ("finger", "upright"),
          ("fifths", "walking"),
          ("acoustic:strum", "electric:riff", "acoustic:pick", "strings:riff", "piano:comp"),
          ("lead", "belt"), swing=(0.0, 0.2), sevenths=0.1, drive=0.1),
    Style("latin", (88, 118), LATIN, ("tight", "acoustic", "hybrid"), ("finger", "upright"),
          ("tumbao", "fifths"), ("piano:montuno", "acoustic:strum", "brass:stab", "bell:riff"),
          ("lead", "belt"), sevenths=0.5, drive=0.0),
    Style("shuffle", (92, 150), SHUFFLE, ("acoustic", "roomy", "brushes"), ("upright", "finger"),
          ("walking", "fifths", "roots8"),
          ("electric:comp", "piano:comp", "organ:pad", "brass:stab", "electric:riff"),
          ("belt", "lead"), steps=3, sevenths=0.8, drive=0.4),
    Style("slowsix", (52, 76), SHUFFLE, ("acoustic", "roomy"), ("finger", "fretless"),
          ("long", "pattern"), ("piano:arp", "electric:pick", "organ:pad", "strings:pad"),
          ("belt", "soft"), steps=3, sevenths=0.3),
    Style("waltz", (84, 150), WALTZ, ("brushes", "acoustic"), ("upright", "finger"),
          ("long", "fifths"), ("piano:comp", "acoustic:pick", "strings:pad", "bell:riff"),
          ("soft", "lead"), beats=3, sevenths=0.3, drive=0.0),
)  # fmt: skip

PROGRESSIONS: dict[str, tuple[tuple[int, ...], ...]] = {
    "major": ((0, 4, 5, 3), (0, 5, 3, 4), (0, 3, 4, 3), (5, 3, 0, 4), (0, 3, 0, 4), (0, 2, 3, 4),
              (1, 4, 0, 0), (0, 0, 3, 0, 4, 3, 0, 4)),
    "minor": ((0, 5, 2, 6), (0, 6, 5, 6), (0, 3, 4, 0), (0, 5, 3, 4), (0, 0, 5, 6), (0, 2, 5, 4)),
    "dorian": ((0, 3, 0, 3), (0, 6, 3, 0), (0, 2, 3, 6)),
    "mixolydian": ((0, 6, 3, 0), (0, 0, 6, 3), (0, 4, 6, 3)),
}  # fmt: skip

SCALES: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}
