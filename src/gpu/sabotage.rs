//! Faults injected on purpose, so that tests see how the program reacts. Without sabotage the cost is
//! one look at an `Option` per buffer, submission and mapping.

use super::device::{Gpu, lock};
use crate::error::{Error, Result};
use std::{
    str::FromStr,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// Calls to a device at which a mishap can strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Making a buffer.
    Buffer,
    /// Submitting work.
    Submit,
    /// Mapping a buffer to read it.
    Map,
}

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
    hangs: AtomicBool,
    target: Mutex<Option<wgpu::Buffer>>,
}

impl Sabotage {
    /// A mishap before the `nth` use of a point; with `ever` before all later uses too.
    #[must_use]
    pub fn new(mishap: Mishap, point: Point, nth: u64, ever: bool) -> Self {
        let (seen, struck, gone, hangs, target) = Default::default();
        Self { mishap, point, nth, ever, seen, struck, gone, hangs, target }
    }

    /// How often a point was used so far.
    #[must_use]
    pub fn seen(&self, point: Point) -> u64 {
        self.seen[point as usize].load(Ordering::Relaxed)
    }

    /// How often the mishap struck.
    #[must_use]
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

impl Gpu {
    /// Called before a buffer is made; returns whether to report that no memory is left.
    pub(super) fn before_buffer(&self) -> bool {
        self.mishap(Point::Buffer) == Some(&Mishap::OutOfMemory)
    }

    /// Remembers a buffer that [`Mishap::Poison`] writes to.
    pub(super) fn made(&self, label: &str, buffer: &wgpu::Buffer) {
        if let Some(sabotage) = &self.sabotage
            && matches!(&sabotage.mishap, Mishap::Poison(target) if target == label)
        {
            *lock(&sabotage.target) = Some(buffer.clone());
        }
    }

    /// Submits an encoder's commands, after a mishap if one is due.
    pub(super) fn submit(&self, encoder: wgpu::CommandEncoder) -> wgpu::SubmissionIndex {
        self.mishap(Point::Submit);
        self.queue.submit([encoder.finish()])
    }

    /// Whether the wait that begins now must time out.
    pub(super) fn hangs_now(&self) -> bool {
        self.sabotage.as_ref().is_some_and(|s| s.hangs.swap(false, Ordering::Relaxed))
    }

    /// Called before a buffer is mapped; returns whether to damage the data read.
    pub(super) fn before_map(&self) -> bool {
        self.mishap(Point::Map) == Some(&Mishap::Flip)
    }

    fn mishap(&self, point: Point) -> Option<&Mishap> {
        let sabotage = self.sabotage.as_deref()?;
        let mishap = sabotage.due(point)?;
        match mishap {
            Mishap::Lose => self.device.destroy(),
            Mishap::Vanish => {
                sabotage.gone.store(true, Ordering::Relaxed);
                self.device.destroy();
            }
            Mishap::Hang => sabotage.hangs.store(true, Ordering::Relaxed),
            Mishap::Poison(_) => {
                if let Some(buffer) = &*lock(&sabotage.target) {
                    self.queue.write_buffer(buffer, 0, bytemuck::bytes_of(&f32::NAN));
                }
            }
            Mishap::OutOfMemory | Mishap::Flip => {}
        }
        Some(mishap)
    }
}

/// Damages bytes that were read, for [`Mishap::Flip`].
pub(super) fn flip(bytes: &mut [u8]) {
    let middle = bytes.len() / 8 * 4;
    if let Some(byte) = bytes.get_mut(middle + 3) {
        *byte ^= 0x10;
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
