//! The meaning of the percentages in evaluations: accuracy or, for images without labels, agreement with the
//! clean network.

/// The meaning of a share of right answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Share of answers that are the image's label.
    Accuracy,
    /// Share of answers that are those of the network without faults to the original image.
    Agreement,
    /// Accuracy in some evaluations, agreement in others.
    Both,
}

impl Measure {
    /// The measure of several evaluations together; accuracy if there are none.
    pub(crate) fn all(of: impl IntoIterator<Item = Self>) -> Self {
        let together = |one, other| if one == other { one } else { Self::Both };
        of.into_iter().reduce(together).unwrap_or(Self::Accuracy)
    }

    /// Agreement if `is_it`, else accuracy.
    pub(crate) fn agreement(is_it: bool) -> Self {
        if is_it { Self::Agreement } else { Self::Accuracy }
    }

    /// The name within a sentence.
    pub fn word(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::Agreement => "agreement",
            Self::Both => "accuracy or agreement",
        }
    }

    /// The name at the beginning of a sentence.
    pub fn title(self) -> &'static str {
        match self {
            Self::Accuracy => "Accuracy",
            Self::Agreement => "Agreement",
            Self::Both => "Accuracy or agreement",
        }
    }

    /// The title of an axis.
    pub fn axis(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy (%)",
            Self::Agreement => "agreement with the clean network (%)",
            Self::Both => "accuracy or agreement (%)",
        }
    }

    /// A note for readers who expect accuracies; `None` where the numbers are accuracies.
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
