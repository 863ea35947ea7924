pub struct Rng; impl Rng { pub fn named(_:u64,_:&str)->Self{Rng} pub fn range(&mut self,a:f64,_:f64)->f64{a} pub fn normal(&mut self)->f64{0.} }
