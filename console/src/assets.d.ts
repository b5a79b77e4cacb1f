/** What the bundler makes of files that are not code. */
declare module '*.module.css' {
  // A class that does not exist shows at the first look at the page; every name is a text here.
  // biome-ignore lint/suspicious/noExplicitAny: a text or nothing would have to be asked about at every use
  const classes: { readonly [name: string]: any };
  export default classes;
}
declare module '*.css' {}
declare module '*.svg' {
  const address: string;
  export default address;
}
