// Takes the answer to the app at once; without scripts the page's button does (OAuth 2.0 Form Post Response Mode).
document.querySelector("form[data-form-post]")?.submit();
