/** After a token or a link was exchanged for a cookie: puts the page in the place of the address that has the secret. */
location.replace('/');
