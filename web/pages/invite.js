// An invitation's token stands after the #, where no server and no log sees it; the chat takes it as its patient's.
{
  const prefix = "#invite=";
  if (location.hash.startsWith(prefix)) {
    document.querySelector("plateau-chat")?.setAttribute("patient", location.hash.slice(prefix.length));
    history.replaceState(null, "", location.pathname);
  }
}
