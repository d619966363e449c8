//! MD5 of several inputs side by side. Each step of MD5 waits for the one before, so that one input alone uses a small
//! part of a core. Here a step is done for all inputs, which the compiler turns into vector instructions: all x86-64 and
//! aarch64 CPUs have those for four numbers at once.

/// The size of a block, in bytes.
pub const BLOCK: usize = 64;
/// How many inputs are hashed side by side.
pub const LANES: usize = 8;
/// With fewer inputs than this, one after the other is faster.
const FEWEST: usize = 3;
/// The number of words in a block.
const WORDS: usize = BLOCK / 4;

/// One number of each input.
type Lanes = [u32; LANES];

/// Goes on with as many blocks of each input as all of them have. Returns how many that are: 0 if there are too few
/// inputs to gain anything.
pub(super) fn update(states: &mut [[u32; 4]], inputs: &[&[[u8; BLOCK]]]) -> usize {
    if !(FEWEST..=LANES).contains(&states.len()) || states.len() != inputs.len() {
        return 0;
    }
    let blocks = inputs.iter().map(|input| input.len()).min().unwrap_or(0);
    let mut lanes = [[0; LANES]; 4];
    for (lane, state) in states.iter().enumerate() {
        for (numbers, word) in lanes.iter_mut().zip(state) {
            set(numbers, lane, *word);
        }
    }
    let mut words = [[0; LANES]; WORDS];
    for number in 0..blocks {
        for (lane, input) in inputs.iter().enumerate() {
            if let Some(block) = input.get(number) {
                let (block, _) = block.as_chunks::<4>();
                for (word, bytes) in words.iter_mut().zip(block) {
                    set(word, lane, u32::from_le_bytes(*bytes));
                }
            }
        }
        lanes = compress(&lanes, &words);
    }
    for (lane, state) in states.iter_mut().enumerate() {
        *state = lanes.map(|word| word.get(lane).copied().unwrap_or(0));
    }
    blocks
}

fn set(lanes: &mut Lanes, lane: usize, number: u32) {
    if let Some(place) = lanes.get_mut(lane) {
        *place = number;
    }
}

// The functions of the four rounds (RFC 1321, section 3.4), each with the fewest operations.
fn f(b: u32, c: u32, d: u32) -> u32 {
    d ^ (b & (c ^ d))
}

fn g(b: u32, c: u32, d: u32) -> u32 {
    c ^ (d & (b ^ c))
}

fn h(b: u32, c: u32, d: u32) -> u32 {
    b ^ c ^ d
}

fn i(b: u32, c: u32, d: u32) -> u32 {
    c ^ (b | !d)
}

/// Compresses one block of each input. The loop has no branch and no call, and the steps in it no loop, so that the
/// compiler does it for several lanes at once.
#[allow(
    clippy::indexing_slicing,
    reason = "all indices are below the lengths of the arrays"
)]
#[allow(clippy::many_single_char_names, reason = "the names of the standard")]
// As a function of its own, its arrays are known to be different ones.
#[inline(never)]
fn compress(before: &[Lanes; 4], words: &[Lanes; WORDS]) -> [Lanes; 4] {
    let mut after = *before;
    for lane in 0..LANES {
        let [mut a, mut b, mut c, mut d] =
            [before[0][lane], before[1][lane], before[2][lane], before[3][lane]];
        macro_rules! step {
            ($function:ident, $a:ident, $b:ident, $c:ident, $d:ident, $shift:literal, $word:literal, $constant:literal) => {
                let sum = $function($b, $c, $d)
                    .wrapping_add($a)
                    .wrapping_add(words[$word][lane])
                    .wrapping_add($constant);
                $a = sum.rotate_left($shift).wrapping_add($b);
            };
        }
        macro_rules! four {
            ($function:ident: $s0:literal $s1:literal $s2:literal $s3:literal;
             $w0:literal $w1:literal $w2:literal $w3:literal;
             $k0:literal $k1:literal $k2:literal $k3:literal) => {
                step!($function, a, b, c, d, $s0, $w0, $k0);
                step!($function, d, a, b, c, $s1, $w1, $k1);
                step!($function, c, d, a, b, $s2, $w2, $k2);
                step!($function, b, c, d, a, $s3, $w3, $k3);
            };
        }
        // The function, the shifts, the words and the constants of four steps.
        four!(f: 7 12 17 22; 0 1 2 3; 0xd76a_a478 0xe8c7_b756 0x2420_70db 0xc1bd_ceee);
        four!(f: 7 12 17 22; 4 5 6 7; 0xf57c_0faf 0x4787_c62a 0xa830_4613 0xfd46_9501);
        four!(f: 7 12 17 22; 8 9 10 11; 0x6980_98d8 0x8b44_f7af 0xffff_5bb1 0x895c_d7be);
        four!(f: 7 12 17 22; 12 13 14 15; 0x6b90_1122 0xfd98_7193 0xa679_438e 0x49b4_0821);
        four!(g: 5 9 14 20; 1 6 11 0; 0xf61e_2562 0xc040_b340 0x265e_5a51 0xe9b6_c7aa);
        four!(g: 5 9 14 20; 5 10 15 4; 0xd62f_105d 0x0244_1453 0xd8a1_e681 0xe7d3_fbc8);
        four!(g: 5 9 14 20; 9 14 3 8; 0x21e1_cde6 0xc337_07d6 0xf4d5_0d87 0x455a_14ed);
        four!(g: 5 9 14 20; 13 2 7 12; 0xa9e3_e905 0xfcef_a3f8 0x676f_02d9 0x8d2a_4c8a);
        four!(h: 4 11 16 23; 5 8 11 14; 0xfffa_3942 0x8771_f681 0x6d9d_6122 0xfde5_380c);
        four!(h: 4 11 16 23; 1 4 7 10; 0xa4be_ea44 0x4bde_cfa9 0xf6bb_4b60 0xbebf_bc70);
        four!(h: 4 11 16 23; 13 0 3 6; 0x289b_7ec6 0xeaa1_27fa 0xd4ef_3085 0x0488_1d05);
        four!(h: 4 11 16 23; 9 12 15 2; 0xd9d4_d039 0xe6db_99e5 0x1fa2_7cf8 0xc4ac_5665);
        four!(i: 6 10 15 21; 0 7 14 5; 0xf429_2244 0x432a_ff97 0xab94_23a7 0xfc93_a039);
        four!(i: 6 10 15 21; 12 3 10 1; 0x655b_59c3 0x8f0c_cc92 0xffef_f47d 0x8584_5dd1);
        four!(i: 6 10 15 21; 8 15 6 13; 0x6fa8_7e4f 0xfe2c_e6e0 0xa301_4314 0x4e08_11a1);
        four!(i: 6 10 15 21; 4 11 2 9; 0xf753_7e82 0xbd3a_f235 0x2ad7_d2bb 0xeb86_d391);
        after[0][lane] = before[0][lane].wrapping_add(a);
        after[1][lane] = before[1][lane].wrapping_add(b);
        after[2][lane] = before[2][lane].wrapping_add(c);
        after[3][lane] = before[3][lane].wrapping_add(d);
    }
    after
}
