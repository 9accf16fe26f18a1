//! What the per cents of evaluations are: accuracies, or, of images without labels, agreement with the clean
//! network.

/// What a share of right answers is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// How often an answer is the image's label.
    Accuracy,
    /// How often an answer is what the network without faults answers to the image as it is.
    Agreement,
    /// Some are this, some that.
    Both,
}

impl Measure {
    /// What several are together; nothing is accuracy.
    pub(crate) fn all(of: impl IntoIterator<Item = Self>) -> Self {
        let together = |one, other| if one == other { one } else { Self::Both };
        of.into_iter().reduce(together).unwrap_or(Self::Accuracy)
    }

    /// Accuracy, unless it is agreement.
    pub(crate) fn agreement(is_it: bool) -> Self {
        if is_it { Self::Agreement } else { Self::Accuracy }
    }

    /// Its name within a sentence.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::Agreement => "agreement",
            Self::Both => "accuracy or agreement",
        }
    }

    /// Its name at the beginning of one.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Accuracy => "Accuracy",
            Self::Agreement => "Agreement",
            Self::Both => "Accuracy or agreement",
        }
    }

    /// The title of an axis.
    #[must_use]
    pub fn axis(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy (%)",
            Self::Agreement => "agreement with the clean network (%)",
            Self::Both => "accuracy or agreement (%)",
        }
    }

    /// What a reader of a table must know who expects accuracies; nothing where they are.
    #[must_use]
    pub fn note(self) -> Option<&'static str> {
        match self {
            Self::Accuracy => None,
            Self::Agreement => Some(
                "per cent of the images without labels whose answer is the clean network's: CA with clean, PA \
                 with faulty weights",
            ),
            Self::Both => Some("of images without labels it is agreement with the clean network"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_are_one_thing_or_both() {
        let [a, b] = [false, true].map(Measure::agreement);
        assert_eq!(Measure::all([]), Measure::Accuracy);
        assert_eq!((Measure::all([a, a]), Measure::all([b, b])), (a, b));
        assert_eq!((Measure::all([a, b, a]), Measure::all([b, a])), (Measure::Both, Measure::Both));
        assert_eq!((a.note(), a.axis()), (None, "accuracy (%)"));
    }
}
