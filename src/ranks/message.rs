//! What ranks send each other: a head of a few fields as JSON, and a body of bytes.

use crate::error::{Error, Result};
use serde::{Serialize, de::DeserializeOwned};
use std::sync::Arc;

/// A message. Clones share its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RankMessage {
    bytes: Arc<Vec<u8>>,
}

/// Bytes of the number in front that says how long the head is.
const LENGTH: usize = 8;

impl RankMessage {
    /// A message with this head, and a body of these parts, one behind the other.
    pub fn new(head: &impl Serialize, body: &[&[u8]]) -> Self {
        // Heads are structs of texts and numbers: the conversion cannot fail.
        let head = serde_json::to_vec(head).unwrap_or_default();
        let mut bytes = (head.len() as u64).to_le_bytes().to_vec();
        bytes.reserve_exact(head.len() + body.iter().map(|part| part.len()).sum::<usize>());
        bytes.extend(head);
        body.iter().for_each(|part| bytes.extend_from_slice(part));
        Self::from_bytes(bytes)
    }

    /// A message as it arrived.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self { bytes: Arc::new(bytes) }
    }

    /// The message as it is sent.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The head and the body.
    ///
    /// # Errors
    /// The message is of another kind, such as that of another version of the program.
    pub fn read<T: DeserializeOwned>(&self) -> Result<(T, &[u8])> {
        let read = || {
            let (length, rest) = self.bytes.split_first_chunk::<LENGTH>()?;
            let (head, body) = rest.split_at_checked(u64::from_le_bytes(*length) as usize)?;
            Some((serde_json::from_slice(head).ok()?, body))
        };
        read().ok_or_else(|| {
            let hint = "start the same version of nf-gpu on every machine";
            Error::argument("mpirun", "a rank sent a message that this one does not know", hint)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_as_it_was_written() {
        let message = RankMessage::new(&(1, "two"), &[&[3, 4], &[5]]);
        let again = RankMessage::from_bytes(message.bytes().to_vec());
        assert_eq!(again.read::<(u32, String)>().unwrap(), ((1, "two".into()), &[3u8, 4, 5][..]));
        assert!(again.read::<String>().is_err());
        for cut in 0..message.bytes().len() - 3 {
            let cut = RankMessage::from_bytes(message.bytes()[..cut].to_vec());
            assert!(cut.read::<(u32, String)>().is_err());
        }
    }
}
