/** What the bundler makes of files that are not code. */
declare module '*.module.css' {
  // A class that does not exist shows at the first look at the page; every name is a text here.
  const classes: { readonly [name: string]: any };
  export default classes;
}
declare module '*.css' {}
declare module '*.svg' {
  const address: string;
  export default address;
}
