/* The demo page's own buttons: each puts its question to the chat. */
document.addEventListener('click', event => {
  const button = event.target.closest('[data-question]');
  if (!button || !window.Kladez) return;
  if (button.dataset.question) window.Kladez.ask(button.dataset.question);
  else window.Kladez.open();
});
