//! Every target with its seeds, its collected inputs, and what comes of changing them, on stable Rust.
//!
//! Two thousand inputs by default. `KOUAN_FUZZ_SECONDS=60` goes on for so long for each target, from a seed of its own
//! that is printed. An input that breaks a promise is written into `fuzz/corpus/NAME`, where it stays as a test.
#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kouan_fuzz_targets::{TARGETS, Target};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// Inputs made of the seeds of each target.
const INPUTS: usize = 2000;
/// Longest input.
const LONGEST: usize = 4096;
/// Most memory that one input may take at once. A length that was believed before it was checked takes more.
const MOST_BYTES: usize = 48 * 1024 * 1024;
/// No input may take longer, on a machine that is busy with other tests.
const LONGEST_TIME: Duration = Duration::from_secs(5);

struct Counting;

static USED: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is handed on to the system's allocator unchanged.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let used = USED.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(used, Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn corpus(target: &Target) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(target.name)
}

fn collected(target: &Target) -> Vec<Vec<u8>> {
    let Ok(folder) = std::fs::read_dir(corpus(target)) else { return Vec::new() };
    let mut files: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// Runs one input; what is wrong with it, if anything.
fn bear(target: &Target, input: &[u8]) -> Result<(), String> {
    let before = USED.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let began = Instant::now();
    let ran = std::panic::catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let (took, peak) = (began.elapsed(), PEAK.load(Ordering::Relaxed).saturating_sub(before));
    match ran {
        Err(_) => Err("a promise was broken; see above".to_owned()),
        Ok(()) if took > LONGEST_TIME => Err(format!("it took {took:?}")),
        Ok(()) if peak > MOST_BYTES => Err(format!("it took {peak} bytes of memory")),
        Ok(()) => Ok(()),
    }
}

fn insist(target: &Target, input: &[u8]) {
    if let Err(wrong) = bear(target, input) {
        let hash = input
            .iter()
            .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3));
        let file = corpus(target).join(format!("found-{hash:016x}"));
        std::fs::create_dir_all(corpus(target)).unwrap();
        std::fs::write(&file, input).unwrap();
        panic!("{}: {wrong}; the input is in {}: {input:02X?}", target.name, file.display());
    }
}

/// Another input, made of one or two known ones.
fn change(known: &[Vec<u8>], chance: &mut StdRng) -> Vec<u8> {
    const INTERESTING: [u8; 10] = [0x00, 0x01, 0x02, 0x03, 0x0D, 0x7E, 0x7F, 0x80, 0xFE, 0xFF];
    let mut input = known.get(chance.random_range(0..known.len().max(1))).cloned().unwrap_or_default();
    for _ in 0..chance.random_range(1..=6) {
        let at = chance.random_range(0..=input.len());
        let end = chance.random_range(at..=input.len().min(at + 32));
        match chance.random_range(0..8) {
            0 => input.truncate(at),
            1 => drop(input.drain(at..end)),
            2 => {
                let again = input[at..end].to_vec();
                input.splice(at..at, again);
            }
            3 => {
                let other = &known[chance.random_range(0..known.len())];
                let from = chance.random_range(0..=other.len());
                input.splice(at..end, other[from..].iter().copied());
            }
            4 => input.insert(at, chance.random()),
            5 if at < input.len() => input[at] ^= 1 << chance.random_range(0..8),
            6 if at < input.len() => input[at] = INTERESTING[chance.random_range(0..INTERESTING.len())],
            _ => {
                let count = chance.random_range(1..16);
                let noise: Vec<u8> = (0..count).map(|_| chance.random()).collect();
                input.splice(at..end, noise);
            }
        }
        input.truncate(LONGEST);
    }
    input
}

fn play(target: &Target) {
    let mut known = (target.seeds)();
    assert!(!known.is_empty(), "{}: there are no seeds", target.name);
    known.extend(collected(target));
    for input in &known {
        insist(target, input);
    }
    insist(target, &[]);
    let seconds: Option<u64> = std::env::var("KOUAN_FUZZ_SECONDS").ok().map(|seconds| seconds.parse().unwrap());
    let seed = if seconds.is_some() { rand::random() } else { 1 };
    if seconds.is_some() {
        eprintln!("{}: seed {seed}", target.name);
    }
    let mut chance = StdRng::seed_from_u64(seed);
    let began = Instant::now();
    let mut count = 0;
    while seconds.map_or(count < INPUTS, |seconds| began.elapsed() < Duration::from_secs(seconds)) {
        let input = change(&known, &mut chance);
        insist(target, &input);
        // Some of what was made is built upon, so that inputs move away from the seeds.
        if chance.random_bool(0.05) {
            let full = known.len() >= 256;
            if full {
                let at = chance.random_range(0..known.len());
                known[at] = input;
            } else {
                known.push(input);
            }
        }
        count += 1;
    }
}

#[test]
fn every_target_bears_any_bytes() {
    // One after the other: what an input allocates is counted for the whole process.
    for target in TARGETS {
        play(target);
    }
}

#[test]
fn every_target_has_its_program() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    for target in TARGETS {
        let name = target.name;
        let program = std::fs::read_to_string(folder.join(format!("fuzz_targets/{name}.rs"))).unwrap_or_default();
        assert!(program.contains(&format!("run(\"{name}\", data)")), "fuzz_targets/{name}.rs is missing");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is missing in fuzz/Cargo.toml");
    }
}
