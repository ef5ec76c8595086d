//! [`Redirect`]: a response that leads to another place.

use crate::failure::fail;
use crate::outcome::marker;
use crate::{Error, IntoOutcome, Outcome, Response};

/// A response that leads to another place. A handler returns it.
///
/// ```no_run
/// use guest_sdk::{Redirect, Request};
///
/// fn old(request: Request) -> Redirect {
///     Redirect::permanent(&format!("/new/{}", request.param("id").unwrap_or_default()))
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    status: u16,
    location: String,
}

impl Redirect {
    /// 303: to what the client gets next, after a form for example.
    #[must_use]
    pub fn to(location: &str) -> Self {
        Self::with_status(303, location)
    }

    /// 307: for now, the same request belongs there.
    #[must_use]
    pub fn temporary(location: &str) -> Self {
        Self::with_status(307, location)
    }

    /// 308: from now on, the same request belongs there.
    #[must_use]
    pub fn permanent(location: &str) -> Self {
        Self::with_status(308, location)
    }

    fn with_status(status: u16, location: &str) -> Self {
        Self { status, location: location.to_owned() }
    }

    fn answer(&self, response: Response) -> Result<(), Error> {
        response.set_status(self.status)?.set_field("location", &self.location)?;
        Ok(())
    }
}

impl IntoOutcome<marker::Whole> for Redirect {
    fn into_outcome(self, response: Response) -> Outcome {
        match self.answer(response) {
            Ok(()) => Outcome::Body(Vec::new()),
            Err(error) => fail(&error, response),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Redirect;
    use crate::testing::{TestRequest, call};

    #[test]
    fn a_redirect_has_its_status_and_its_place() {
        for (redirect, status) in
            [(Redirect::to("/a"), 303), (Redirect::temporary("/a"), 307), (Redirect::permanent("/a"), 308)]
        {
            let response = call(|| redirect, TestRequest::get("/"));
            let found = (response.status, response.field("location"), response.body);
            assert_eq!(found, (status, Some("/a".to_owned()), vec![]));
        }
        let wrong = call(|| Redirect::to("/a\r\nx: y"), TestRequest::get("/"));
        assert_eq!((wrong.status, wrong.field("location")), (500, None));
    }
}
