//! Files of users and strangers: what is read, what is refused, and what the documents promise.

pub(crate) mod documents;
pub(crate) mod hostile;
pub(crate) mod users;
