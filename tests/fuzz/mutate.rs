//! Makes inputs from inputs: flips, splices, truncation, dictionary tokens, repetition, nesting, odd numbers.
//! It knows bytes, lines and the tokens a target hands it, and no grammar.

/// A small generator (splitmix64): the same seed makes the same inputs on every machine.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`; 0 when `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    pub fn pick<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }
}

/// What the mutator may use for one target.
pub struct Language {
    /// Pieces of its grammar.
    pub tokens: &'static [&'static str],
    /// What opens and what closes a level.
    pub nests: &'static [(&'static str, &'static str)],
}

/// Useful everywhere: ends of lines, escapes, quotes, brackets, what is not UTF-8.
const COMMON: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b"\r\n\r\n",
    b"\r\n ",
    b"%0d%0a",
    b"%00",
    b"%",
    b"%4",
    b"%zz",
    b"\"",
    b"\\",
    b"\\\"",
    b"<",
    b">",
    b";",
    b",",
    b":",
    b"=",
    b"@",
    b"?",
    b"&",
    b"/",
    b" ",
    b"\t",
    b"\x7f",
    b"\x80",
    b"\xff\xfe",
    b"\xc3\x28",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xa8",
    b"\xf4\x90\x80\x80",
    b"\xc2\x85",
];

const NUMBERS: &[&[u8]] = &[
    b"0",
    b"-1",
    b"+1",
    b"255",
    b"256",
    b"65535",
    b"65536",
    b"2147483648",
    b"4294967295",
    b"4294967296",
    b"18446744073709551615",
    b"18446744073709551616",
    b"99999999999999999999999999999999999999",
    b"00000000000000000000000000000000000001",
    b"1e9",
    b"0x10",
];

/// The length most inputs stay below, and the one a few are blown up to: a whole datagram.
const USUAL: usize = 4096;
pub const LARGEST: usize = 65_536;

/// One input made of `from` and, when spliced, of `other`.
pub fn mutate(rng: &mut Rng, language: &Language, from: &[u8], other: &[u8]) -> Vec<u8> {
    let mut input = from.to_vec();
    let limit = match rng.below(64) {
        0 => LARGEST,
        _ => USUAL.max(from.len()),
    };
    for _ in 0..=rng.below(5) {
        once(rng, language, &mut input, other, limit);
        input.truncate(limit);
    }
    input
}

fn once(rng: &mut Rng, language: &Language, input: &mut Vec<u8>, other: &[u8], limit: usize) {
    match rng.below(14) {
        0 => {
            if let Some(byte) = pick_mut(rng, input) {
                *byte ^= 1 << (byte.count_ones() % 8);
            }
        }
        1 => {
            let new = rng.next() as u8;
            if let Some(byte) = pick_mut(rng, input) {
                *byte = new;
            }
        }
        2..=4 => {
            let token = token(rng, language);
            let at = rng.below(input.len() + 1);
            // In place of something, or between.
            let end = (at + rng.below(2) * rng.below(8)).min(input.len());
            input.splice(at..end, token);
        }
        5 => {
            let (at, end) = span(rng, input.len());
            input.drain(at..end);
        }
        6 => {
            let (at, end) = span(rng, input.len());
            let piece = input[at..end].to_vec();
            repeat(rng, input, at, &piece, limit);
        }
        7 => {
            let token = token(rng, language);
            let at = rng.below(input.len() + 1);
            repeat(rng, input, at, &token, limit);
        }
        8 => {
            let (at, from) = (rng.below(input.len() + 1), rng.below(other.len() + 1));
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        9 => {
            let (at, end) = span(rng, other.len());
            let into = rng.below(input.len() + 1);
            input.splice(into..into, other[at..end].iter().copied());
        }
        10 => input.truncate(rng.below(input.len() + 1)),
        11 => nest(rng, language, input, limit),
        12 => number(rng, input),
        _ => lines(rng, input),
    }
}

fn pick_mut<'a>(rng: &mut Rng, input: &'a mut [u8]) -> Option<&'a mut u8> {
    let at = rng.below(input.len());
    input.get_mut(at)
}

fn token(rng: &mut Rng, language: &Language) -> Vec<u8> {
    if language.tokens.is_empty() || rng.below(3) == 0 {
        rng.pick(COMMON).to_vec()
    } else {
        rng.pick(language.tokens).as_bytes().to_vec()
    }
}

/// A stretch, mostly a short one.
fn span(rng: &mut Rng, len: usize) -> (usize, usize) {
    let at = rng.below(len + 1);
    let longest = if rng.below(4) == 0 { len } else { 16 };
    (at, (at + rng.below(longest + 1)).min(len))
}

/// As often as there is room, or a few times.
fn repeat(rng: &mut Rng, input: &mut Vec<u8>, at: usize, piece: &[u8], limit: usize) {
    if piece.is_empty() {
        return;
    }
    let room = limit.saturating_sub(input.len()) / piece.len();
    let times = match rng.below(4) {
        0 => room,
        1 => rng.below(room + 1),
        _ => rng.below(room.min(8) + 1),
    };
    input.splice(at..at, piece.repeat(times));
}

fn nest(rng: &mut Rng, language: &Language, input: &mut Vec<u8>, limit: usize) {
    const PLAIN: &[(&str, &str)] = &[("<", ">"), ("\"", "\""), ("(", ")"), ("[", "]")];
    let all = if language.nests.is_empty() {
        PLAIN
    } else {
        language.nests
    };
    let (open, close) = all[rng.below(all.len())];
    let (at, end) = span(rng, input.len());
    let room = limit.saturating_sub(input.len()) / (open.len() + close.len()).max(1);
    let depth = match rng.below(3) {
        0 => room,
        1 => rng.below(room + 1),
        _ => rng.below(room.min(20) + 1),
    };
    let mut inner = open.as_bytes().repeat(depth);
    inner.extend_from_slice(&input[at..end]);
    // Some are never closed.
    if rng.below(3) > 0 {
        inner.extend(close.as_bytes().repeat(depth));
    }
    input.splice(at..end, inner);
}

/// Another number in place of one that is there.
fn number(rng: &mut Rng, input: &mut Vec<u8>) {
    let start = rng.below(input.len() + 1);
    let Some(at) = (start..input.len()).find(|at| input[*at].is_ascii_digit()) else {
        return;
    };
    let digits = input[at..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    input.splice(at..at + digits, rng.pick(NUMBERS).iter().copied());
}

/// A line dropped, doubled or moved.
fn lines(rng: &mut Rng, input: &mut Vec<u8>) {
    let mut all: Vec<Vec<u8>> = input
        .split_inclusive(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    if all.len() < 2 {
        return;
    }
    let (from, to) = (rng.below(all.len()), rng.below(all.len()));
    match rng.below(3) {
        0 => {
            all.remove(from);
        }
        1 => {
            let line = all[from].clone();
            all.insert(to, line);
        }
        _ => all.swap(from, to),
    }
    *input = all.concat();
}
