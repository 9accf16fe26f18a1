//! Faults injected on purpose, so that tests see how the program reacts.

use crate::{
    error::{Error, Result},
    gpu::{Effect, Hook, Point, lock},
};
use std::{
    str::FromStr,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// Kinds of injected faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// The device is destroyed.
    Lose,
    /// The device is destroyed, and its adapter is not found again.
    Vanish,
    /// Submitted work never ends: the next wait for it times out.
    Hang,
    /// A buffer cannot be made because no memory is left; at other points nothing happens.
    OutOfMemory,
    /// A NaN is written into the first word of the buffer with this label that was made last.
    Poison(String),
    /// A bit of the exponent flips in the middle word of the data read; at other points nothing
    /// happens.
    Flip,
}

/// One mishap before the n-th use of a point, counted from 0 over all devices that share this sabotage.
#[derive(Debug)]
pub struct Sabotage {
    mishap: Mishap,
    point: Point,
    nth: u64,
    /// The mishap strikes at every use from the n-th on, not only at that one.
    ever: bool,
    seen: [AtomicU64; 3],
    struck: AtomicU64,
    gone: AtomicBool,
    target: Mutex<Option<wgpu::Buffer>>,
}

impl Sabotage {
    /// A mishap before the `nth` use of a point; with `ever` before all later uses too.
    pub fn new(mishap: Mishap, point: Point, nth: u64, ever: bool) -> Self {
        let (seen, struck, gone, target) = Default::default();
        Self { mishap, point, nth, ever, seen, struck, gone, target }
    }

    /// How often a point was used so far.
    pub fn seen(&self, point: Point) -> u64 {
        self.seen[point as usize].load(Ordering::Relaxed)
    }

    /// How often the mishap struck.
    pub fn struck(&self) -> u64 {
        self.struck.load(Ordering::Relaxed)
    }

    /// Counts a use of a point; returns the mishap if it is due now.
    fn due(&self, point: Point) -> Option<&Mishap> {
        let now = self.seen[point as usize].fetch_add(1, Ordering::Relaxed);
        let due = point == self.point && (now == self.nth || self.ever && now > self.nth);
        if due {
            self.struck.fetch_add(1, Ordering::Relaxed);
        }
        due.then_some(&self.mishap)
    }

    /// Whether the adapter must not be found again.
    pub(super) fn gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }
}

impl FromStr for Sabotage {
    type Err = Error;

    /// Parses `MISHAP@POINT:N`, as in `lose@submit:17`; a `+` at the end adds all later uses. Mishaps
    /// are lose, vanish, hang, memory, flip and poison=LABEL; points are buffer, submit and map.
    fn from_str(text: &str) -> Result<Self> {
        let parsed = || -> Option<Self> {
            let (mishap, rest) = text.split_once('@')?;
            let (point, nth) = rest.split_once(':')?;
            let mishap = match mishap {
                "lose" => Mishap::Lose,
                "vanish" => Mishap::Vanish,
                "hang" => Mishap::Hang,
                "memory" => Mishap::OutOfMemory,
                "flip" => Mishap::Flip,
                _ => Mishap::Poison(mishap.strip_prefix("poison=")?.to_owned()),
            };
            let point = match point {
                "buffer" => Point::Buffer,
                "submit" => Point::Submit,
                "map" => Point::Map,
                _ => return None,
            };
            let ever = nth.ends_with('+');
            Some(Self::new(mishap, point, nth.trim_end_matches('+').parse().ok()?, ever))
        };
        parsed().ok_or_else(|| {
            Error::argument("NF_GPU_TROUBLE", text, "as in lose@submit:17 or memory@buffer:3+")
        })
    }
}

impl Hook for Sabotage {
    fn before(&self, point: Point, device: &wgpu::Device, queue: &wgpu::Queue) -> Effect {
        let Some(mishap) = self.due(point) else { return Effect::None };
        match (mishap, point) {
            (Mishap::Lose, _) => device.destroy(),
            (Mishap::Vanish, _) => {
                self.gone.store(true, Ordering::Relaxed);
                device.destroy();
            }
            (Mishap::Poison(_), _) => {
                if let Some(buffer) = &*lock(&self.target) {
                    queue.write_buffer(buffer, 0, bytemuck::bytes_of(&f32::NAN));
                }
            }
            (Mishap::Hang, _) => return Effect::Hang,
            (Mishap::OutOfMemory, Point::Buffer) => return Effect::OutOfMemory,
            (Mishap::Flip, Point::Map) => return Effect::Damage,
            (Mishap::OutOfMemory | Mishap::Flip, _) => {}
        }
        Effect::None
    }

    /// Remembers a buffer that [`Mishap::Poison`] writes to.
    fn made(&self, label: &str, buffer: &wgpu::Buffer) {
        if matches!(&self.mishap, Mishap::Poison(target) if target == label) {
            *lock(&self.target) = Some(buffer.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mishap_strikes_when_it_is_due() {
        let once: Sabotage = "lose@submit:2".parse().unwrap();
        let due = |s: &Sabotage, point| (0..5).map(|_| s.due(point).is_some()).collect::<Vec<_>>();
        assert_eq!(due(&once, Point::Map), [false; 5]);
        assert_eq!(due(&once, Point::Submit), [false, false, true, false, false]);
        assert_eq!((once.seen(Point::Submit), once.seen(Point::Map), once.struck()), (5, 5, 1));
        let ever: Sabotage = "memory@buffer:3+".parse().unwrap();
        assert_eq!(due(&ever, Point::Buffer), [false, false, false, true, true]);
        let poison: Sabotage = "poison=parameters@map:0".parse().unwrap();
        assert_eq!(poison.mishap, Mishap::Poison("parameters".into()));
        for wrong in ["", "lose", "lose@submit", "lose@submit:x", "lose@queue:1", "x@map:1"] {
            assert_eq!(wrong.parse::<Sabotage>().unwrap_err().exit_code(), 2, "{wrong}");
        }
    }
}
