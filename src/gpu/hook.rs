//! Where tests let something go wrong: a device asks its hook, if it has one, before each use.
//! Without a hook the cost is one look at an `Option` per buffer, submission and mapping.

use std::fmt::Debug;

/// Uses of a device at which something can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Making a buffer.
    Buffer,
    /// Submitting work.
    Submit,
    /// Mapping a buffer to read it.
    Map,
}

/// What a device must do at a use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// What it was asked for.
    None,
    /// Report that no memory is left for a buffer.
    OutOfMemory,
    /// Let the next wait for submitted work time out.
    Hang,
    /// Damage the data that a mapping reads.
    Damage,
}

/// What is asked before each use of a device.
pub(crate) trait Hook: Debug + Send + Sync {
    /// Called before a use.
    fn before(&self, point: Point, device: &wgpu::Device, queue: &wgpu::Queue) -> Effect;

    /// Called after a buffer was made.
    fn made(&self, label: &str, buffer: &wgpu::Buffer);
}
